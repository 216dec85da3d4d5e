-- Whether anybody shows that they are in a room: asked for each room that a WebSocket listens to.
CREATE INDEX room_members_presence_idx ON room_members (room_id) WHERE shows_presence;
