"""`python -m r1cli` is `r1`."""

from r1cli.app import main

if __name__ == "__main__":
    main()
