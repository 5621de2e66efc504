"""`python -m iad <command>` runs the code of the folder it is started in, as queued experiments need."""

from iad.cli import main

if __name__ == "__main__":
    main()
