"""Jobs that fill a run folder: on this machine (``local``) or on a Ray cluster (``cluster``)."""
