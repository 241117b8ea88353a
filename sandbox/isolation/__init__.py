"""The layers that keep a session in: file system, Landlock, system call filter, and the levels they make up."""
