"""The verbs of the command line, a module each; heavy libraries are imported when one runs."""
