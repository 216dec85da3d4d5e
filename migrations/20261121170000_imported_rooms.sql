-- Rooms that an import made. When it is repeated, those that were deleted and purged here since do not
-- come back, nor what was said in them.
CREATE TABLE imported_rooms (
    room_id bigint PRIMARY KEY
);
