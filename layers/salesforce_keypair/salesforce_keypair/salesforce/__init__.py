"""Salesforce's side: where it may be spoken to, how to log in, how an app's certificate is replaced."""
