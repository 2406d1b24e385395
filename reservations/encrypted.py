"""Where the encrypted field used to live; migrations name it here."""

from accounts.encrypted import EncryptedTextField

__all__ = ["EncryptedTextField"]
