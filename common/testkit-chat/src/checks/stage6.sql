-- A database as stage 6 leaves it: two people, their sessions, what they said, and
-- a message that was refused. Recorded from its server; the refusal was added, and
-- Bob's role.
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied INTEGER NOT NULL) STRICT;
INSERT INTO schema_version VALUES (1, 1795562787967);
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
    created INTEGER NOT NULL
) STRICT;
INSERT INTO users VALUES (1, 'Alice', 'alice', '$2b$04$Lv5nG6rwR728hDb3Aozddu1lJuHLH30yVMQjmS5X21DmFsOYfhUEy', 'member', 1795562788731);
INSERT INTO users VALUES (2, 'bob', 'bob', '$2b$04$VJ84tzU3PHaseZxt2ujT..kBgMNeD59JgS5tlug4Za02IE88FWEpm', 'admin', 1795562788734);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (run, number)
) STRICT;
INSERT INTO messages VALUES (1, 4013023167418901825, 1, 1795562788732, 'Alice', 'the first message');
INSERT INTO messages VALUES (2, 4013023167418901825, 2, 1795562788732, 'Alice', 'grüße, 世界 🦀');
INSERT INTO messages VALUES (3, 4013023167418901825, 3, 1795562788732, 'Alice', 'it''s %s {} -- ;');
INSERT INTO messages VALUES (4, 4013023167418901825, 4, 1795562788735, 'bob', '  hello, Alice  ');
INSERT INTO messages VALUES (5, 4013023167418901825, 5, 1795562788736, 'bob', 'refused');
CREATE TABLE retractions (
    seq INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    first_number INTEGER NOT NULL,
    last_number INTEGER NOT NULL,
    retracted INTEGER NOT NULL
) STRICT;
CREATE INDEX retractions_run ON retractions (run, first_number);
INSERT INTO retractions VALUES (1, 4013023167418901825, 5, 5, 1795562788737);
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sessions VALUES (X'4828F2985EEE2A9963716B819ED1A651DAC810CE3332F91FEA5AF5BBB2419F3A', 1, 1795562788731, 1795649188731);
INSERT INTO sessions VALUES (X'C9ABFD44C30F7C1121181BB24797F07D8C3BCB5BCFCC490068628F064BD19A99', 2, 1795562788734, 1795649188734);
CREATE TABLE session_ends (
    token_hash BLOB PRIMARY KEY,
    ended INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
