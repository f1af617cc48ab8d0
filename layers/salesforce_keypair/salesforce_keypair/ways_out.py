"""What people run where a rotation can't go on by itself, in the words that errors name it by."""

START_AGAIN = "start a new rotation (RotateSecret)"


def give_up_command(secret_id: str) -> str:
    """Ends the rotation that waits."""
    return f"make resume SECRET={secret_id} ARGS=--give-up"


def go_back(secret_id: str) -> str:
    """To AWSPREVIOUS."""
    return f"go back to that version (make rollback SECRET={secret_id})"
