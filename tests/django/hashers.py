"""Django's PBKDF2 with fewer rounds than its million: the Peyk that checks them is a debug build."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher, PBKDF2SHA1PasswordHasher


class Pbkdf2(PBKDF2PasswordHasher):
    iterations = 2_000


class Pbkdf2Sha1(PBKDF2SHA1PasswordHasher):
    iterations = 2_000
