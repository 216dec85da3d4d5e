-- Organizations, their members and who is invited. An organization has exactly one owner, always:
-- `owner_id` is required, refers to a member whose role is 'owner', and no other member's role is.
CREATE TABLE organizations (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    -- New ones are of a-z 0-9 _; those of the system Peyk replaces may be anything.
    uname      text NOT NULL CHECK (length(uname) BETWEEN 1 AND 255),
    owner_id   bigint NOT NULL,
    owner_role text NOT NULL GENERATED ALWAYS AS ('owner') STORED,
    created_at timestamptz NOT NULL
);

-- One uname, however it is written; looking one up.
CREATE UNIQUE INDEX organizations_uname_key ON organizations (lower(uname));
-- How many somebody owns; the reference to the member.
CREATE INDEX organizations_owner_id_idx ON organizations (owner_id);

CREATE TABLE organization_members (
    organization_id bigint NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id         bigint NOT NULL REFERENCES users (id),
    role            text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    joined_at       timestamptz NOT NULL,
    PRIMARY KEY (organization_id, user_id),
    UNIQUE (organization_id, user_id, role)
);

-- At most one owner each.
CREATE UNIQUE INDEX organization_members_owner_key ON organization_members (organization_id)
    WHERE role = 'owner';
-- Somebody's organizations, newest first.
CREATE INDEX organization_members_user_id_idx
    ON organization_members (user_id, organization_id DESC);

-- At least one: checked when the transaction ends, so that an organization can be made and handed over.
ALTER TABLE organizations ADD CONSTRAINT organizations_owner_fkey
    FOREIGN KEY (id, owner_id, owner_role)
    REFERENCES organization_members (organization_id, user_id, role)
    DEFERRABLE INITIALLY DEFERRED;

-- A number that is asked to join: whoever logs in with it sees it.
CREATE TABLE organization_invitations (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id bigint NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    phone           text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    role            text NOT NULL CHECK (role IN ('admin', 'member')),
    invited_by      bigint NOT NULL REFERENCES users (id),
    status          text NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'accepted', 'declined', 'withdrawn', 'expired')),
    -- Who accepted.
    accepted_by     bigint REFERENCES users (id),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    settled_at      timestamptz,
    CHECK ((status = 'open') = (settled_at IS NULL))
);

-- One open invitation of a number to an organization; those of a number.
CREATE UNIQUE INDEX organization_invitations_open_key
    ON organization_invitations (phone, organization_id) WHERE status = 'open';
-- An organization's invitations, newest first; the cascade when it is deleted.
CREATE INDEX organization_invitations_organization_idx
    ON organization_invitations (organization_id, id DESC);
-- Erasing a number.
CREATE INDEX organization_invitations_phone_idx ON organization_invitations (phone);
-- Purge: invitations by when they ended.
CREATE INDEX organization_invitations_ended_idx
    ON organization_invitations (least(expires_at, settled_at));
