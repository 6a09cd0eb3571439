"""The embedded synthetic world: problems, worked solutions, pre-training documents, general prompts."""
