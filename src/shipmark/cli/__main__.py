"""`python -m shipmark.cli`, where the path of the command `shipmark` is not known."""

from shipmark.cli.main import main

if __name__ == "__main__":
    main()
