"""Other people's data: files and data sets of a hub, and the shapes that their rows have."""
