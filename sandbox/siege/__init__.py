"""What a sandbox must withstand, to be run on the host and image that it will work on: `scdpo doctor --siege`."""
