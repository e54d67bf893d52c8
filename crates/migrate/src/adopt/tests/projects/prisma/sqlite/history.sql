CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
);
INSERT INTO _prisma_migrations VALUES('19cee620-ca21-4963-89a0-d1f3c74f1925','4f5d704ab2e1cd7c8482fd4b53953dcb2e5365597f42338ec88d645691826884','2026-11-22T04:30:49.675+00:00','20261122043000_one',NULL,NULL,'2026-11-22T04:30:49.588+00:00',1);
