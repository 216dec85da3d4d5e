"""A site with the two packages, on the database of OLD_DATABASE (a URL), with its files in OLD_MEDIA."""

import os
from urllib.parse import urlsplit

url = urlsplit(os.environ["OLD_DATABASE"])
if url.scheme == "sqlite":
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.path}
else:
    engine = {"postgres": "postgresql", "mysql": "mysql"}[url.scheme]
    database = {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": url.path[1:],
        "HOST": url.hostname,
        "PORT": url.port,
        "USER": url.username,
        "PASSWORD": url.password or "",
    }
if url.scheme == "mysql":
    import pymysql

    # Django asks for the version of mysqlclient, which would have to be compiled.
    pymysql.version_info = (2, 2, 8, "final", 0)
    pymysql.install_as_MySQLdb()

DATABASES = {"default": database}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "drfchelseru",
    "sms_auth",
]
# Also what simplejwt signs its tokens with.
SECRET_KEY = "only-for-this-test-and-of-fifty-characters-or-so"
MEDIA_ROOT = os.environ["OLD_MEDIA"]
USE_TZ = True
TIME_ZONE = "Asia/Tehran"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = [
    "hashers.Pbkdf2",
    "hashers.Pbkdf2Sha1",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
