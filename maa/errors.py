"""The one kind of error a user sees: a code, and one line that says what, where, expected and why.

Conventions: a code is a capital letter for the subject and a word, "A-TRUNC"; its exit status is
    the most specific entry of EXIT_STATUS: "F-LOCKED" before "F".
Notebook: none.
"""

import warnings

EXIT_STATUS = {  # 1 unexpected, 2 usage, 3 bad data, 4 numeric, 5 integrity, 6 locked, 7 resources
    "A": 3,  # audio
    "A-EXISTS": 2,
    "A-NAME": 2,
    "C": 3,  # captions and tables
    "D": 3,  # corpora
    "F": 7,  # files
    "F-LOCKED": 6,
    "F-ROOT": 2,
    "I": 3,  # pictures
    "K": 5,  # checkpoints
    "K-EXISTS": 2,
    "N": 3,  # notebooks
    "P": 2,  # prompts and sampling parameters
    "P-MEMORY": 7,
    "P-NUMERIC": 4,
    "R": 2,  # runs
    "S": 4,  # metrics and statistics
    "T": 4,  # training
    "T-HOSTS": 2,
    "T-SETTINGS": 2,
    "T-UNLIKE": 2,
}


class MaaError(ValueError):
    """An error with a code, one line of text and an exit status for the command line.

    code:   such as "A-TRUNC"
    text:   value, expected, likely cause; control characters in it are made visible

    Notebook: none.
    """

    def __init__(self, code, text):
        super().__init__(code, text)  # both, so that the error survives pickling
        self.code = code
        self.exit_status = EXIT_STATUS.get(code, EXIT_STATUS.get(code.split("-")[0], 1))

    def __str__(self):
        return one_line(f"{self.code}: {self.args[1]}")


class MaaWarning(UserWarning):
    """A warning with a code, in one line."""


def warn(code, text):
    """Give the one-line warning "CODE: text" at the place that called the caller."""
    warnings.warn(one_line(f"{code}: {text}"), MaaWarning, stacklevel=3)


def one_line(text):
    """The text with everything unprintable escaped: a newline in a file name becomes \\n."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
