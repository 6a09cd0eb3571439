"""Models: the tokenizer, the decoder, checkpoints as Hugging Face folders, and the training loops."""
