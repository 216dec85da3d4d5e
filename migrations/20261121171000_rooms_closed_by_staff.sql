-- Staff closed it, and only staff open it again.
ALTER TABLE rooms ADD COLUMN closed_by_staff boolean NOT NULL DEFAULT false;
