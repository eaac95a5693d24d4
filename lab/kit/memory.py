"""What makes trainings a twentieth faster, and is no lesson."""


def keep_freed_memory():
    """Let glibc keep what is freed, not hand it back to the system and fetch it page by page.

    It does once it has seen a large block come and go; nothing is written to this one.
    """
    bytes(2**24)
