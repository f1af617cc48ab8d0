"""What people run: to begin, to look, and to help at night. `make` lists the commands as tasks of their own."""
