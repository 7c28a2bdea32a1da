"""What happens when a server dies, hangs or lies."""
