"""Rotation of Salesforce JWT bearer key pairs in AWS Secrets Manager, and short-lived tokens from them."""
