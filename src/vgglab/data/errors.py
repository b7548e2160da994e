"""What can be wrong with data that a user can mend."""


class DataError(Exception):
    """The data set is not there or not readable; the message says what to do, in one line."""
