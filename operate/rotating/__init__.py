"""A secret's rotations: look, start, take up, roll back, revoke. Nothing here asks at a terminal."""
