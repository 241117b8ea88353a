"""Problems, records and runs; filters, pairs, imports and exports; records as token ids."""
