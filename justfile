# The menu of commands: `just --list`. Each recipe is one line that also runs without `just`.

# Start everything in sandbox mode (--fresh, --port N, --data DIR, --release)
dev *args:
    script/dev {{args}}

# Format check, lints, build and every test on private servers
test *args:
    script/test {{args}}

# Peyk against its yardsticks, a quarter of an hour on a quiet machine (--quick, --publish, --only PART)
bench *args:
    script/bench {{args}}

# The chaos tests in full, about half an hour (--rounds N, --rows N, --seed N, --publish, a filter)
soak *args:
    script/soak {{args}}

# Format check and lints only
check:
    cargo fmt --all --check && SQLX_OFFLINE=true cargo clippy --workspace --all-targets -- -D warnings

# Write openapi/openapi.json and openapi/openapi.yaml
openapi:
    cargo run -q --bin api -- openapi --out openapi

# Generate SDKs from the document, compile them and log in with them (--only LANGUAGE, --base URL)
sdk-check *args:
    script/sdk-check {{args}}

# Let PyJWT and simplejwt read the tokens of a private Peyk
token-check:
    script/token-check

# Import real Django sites made with the packages Peyk replaces (--only DATABASE, --accounts N)
import-check *args:
    script/import-check {{args}}

# Fuzz a private Peyk against its document (--cases N, --seed N, --base URL)
contract *args:
    script/contract {{args}}

# Apply the migrations to the configured database
migrate:
    cargo run -q --bin api -- migrate

# Regenerate .sqlx, with which a build needs no database (--check: compare only)
sqlx-prepare *args:
    script/sqlx-prepare {{args}}

# Run the api alone, with peyk.toml or PEYK_CONFIG
run-api:
    cargo run --bin api -- serve

# Run the worker alone
run-worker:
    cargo run --bin worker

# Advisories, licences and sources of the dependencies
deny:
    cargo deny check

# Dependencies nobody uses
machete:
    cargo machete

# Spelling
typos:
    typos

# The documentation of every item, private ones too
doc:
    cargo doc --workspace --no-deps --document-private-items
