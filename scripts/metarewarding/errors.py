"""The exception for bad input, with a message for the user."""


class UserError(Exception):
    """Bad input: a config value, a data row, a model folder, a judge's reply.

    The message contains the file, the key or the row, and the fix. Scripts print it alone, without a traceback.
    """
