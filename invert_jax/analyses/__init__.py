"""What people do with explanations."""
