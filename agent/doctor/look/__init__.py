"""What is looked at, by doing. Nothing here judges, and nothing raises: what fails is a fact."""
