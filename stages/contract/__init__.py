"""What every room may know: params, row schemas, paths, the transcript, errors. Standard library and polars only."""
