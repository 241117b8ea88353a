"""What runs beside hostile code: the zygote, a session's executor, its shell, its streams, its fork."""
