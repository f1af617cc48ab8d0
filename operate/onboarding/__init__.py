"""The rules of onboarding: what is asked, looked at, written and left to do. Nothing here knows of a terminal."""
