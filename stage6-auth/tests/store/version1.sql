-- The tables of version 1 on MariaDB, as stage 6 made them before their columns got
-- the names that they have now, and what a chat left in them.
CREATE TABLE IF NOT EXISTS schema_version (version INT PRIMARY KEY, applied BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS users (
    id BIGINT PRIMARY KEY AUTO_INCREMENT,
    name VARCHAR(32) NOT NULL,
    name_key VARCHAR(32) NOT NULL UNIQUE,
    password VARCHAR(60) NOT NULL,
    role VARCHAR(16) NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
    created BIGINT NOT NULL
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE TABLE IF NOT EXISTS messages (
    seq BIGINT PRIMARY KEY AUTO_INCREMENT,
    run BIGINT NOT NULL,
    number BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    name VARCHAR(32) NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (run, number)
) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE TABLE IF NOT EXISTS retractions (
    seq BIGINT PRIMARY KEY AUTO_INCREMENT,
    run BIGINT NOT NULL,
    first_number BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    retracted BIGINT NOT NULL,
    INDEX retractions_run (run, first_number)
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS sessions (
    token_hash BINARY(32) PRIMARY KEY,
    user_id BIGINT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS session_ends (
    token_hash BINARY(32) PRIMARY KEY,
    ended BIGINT NOT NULL
) ENGINE=InnoDB;
INSERT INTO schema_version VALUES (1, 1795562787967);
INSERT INTO users VALUES (1, 'Alice', 'alice', '$2b$04$Lv5nG6rwR728hDb3Aozddu1lJuHLH30yVMQjmS5X21DmFsOYfhUEy', 'member', 1795562788731);
INSERT INTO users VALUES (2, 'bob', 'bob', '$2b$04$VJ84tzU3PHaseZxt2ujT..kBgMNeD59JgS5tlug4Za02IE88FWEpm', 'admin', 1795562788734);
INSERT INTO messages VALUES (1, 4013023167418901825, 1, 1795562788732, 'Alice', 'the first message');
INSERT INTO messages VALUES (2, 4013023167418901825, 2, 1795562788732, 'Alice', 'grüße, 世界 🦀');
INSERT INTO messages VALUES (3, 4013023167418901825, 3, 1795562788732, 'Alice', 'it''s %s {} --');
INSERT INTO messages VALUES (4, 4013023167418901825, 4, 1795562788735, 'bob', '  hello, Alice  ');
INSERT INTO messages VALUES (5, 4013023167418901825, 5, 1795562788736, 'bob', 'refused');
INSERT INTO retractions VALUES (1, 4013023167418901825, 5, 5, 1795562788737);
INSERT INTO sessions VALUES (X'4828F2985EEE2A9963716B819ED1A651DAC810CE3332F91FEA5AF5BBB2419F3A', 1, 1795562788731, 1795649188731);
