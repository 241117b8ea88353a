"""JSON Lines files of pairs to verify, in the layouts that people have."""
