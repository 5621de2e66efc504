"""`python -m iad <command>` runs the code of the folder it is started in, as queued experiments need."""

if __name__ == "__main__":  # processes that a stage starts import this module too, and need no command line
    from iad.cli import main

    main()
