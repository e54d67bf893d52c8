CREATE TABLE IF NOT EXISTS "_yoyo_migration" (
            "migration_hash" VARCHAR(64),
            "migration_id" VARCHAR(255),
            "applied_at_utc" TIMESTAMP,
            PRIMARY KEY ("migration_hash")
        );
INSERT INTO _yoyo_migration VALUES('0a19ea4ac350a6c813447640d4246f8dc23c6ca070f209b7b5ccece89e2e2afe','20261122_01_EA6sP-one','2026-11-22T04:27:03.085853');
CREATE TABLE IF NOT EXISTS "_yoyo_log" (
            "id" VARCHAR(36),
            "migration_hash" VARCHAR(64),
            "migration_id" VARCHAR(255),
            "operation" VARCHAR(10),
            "username" VARCHAR(255),
            "hostname" VARCHAR(255),
            "comment" VARCHAR(255),
            "created_at_utc" TIMESTAMP,
            PRIMARY KEY ("id")
        );
INSERT INTO _yoyo_log VALUES('f7797a18-e62c-11f1-87df-02fc00000001','0a19ea4ac350a6c813447640d4246f8dc23c6ca070f209b7b5ccece89e2e2afe','20261122_01_EA6sP-one','apply','root','localhost',NULL,'2026-11-22T04:27:03.028849');
CREATE TABLE IF NOT EXISTS "_yoyo_version" (
            "version" INT NOT NULL PRIMARY KEY,
            "installed_at_utc" TIMESTAMP
        );
INSERT INTO _yoyo_version VALUES(2,'2026-11-22 04:27:02.867989');
CREATE TABLE IF NOT EXISTS "yoyo_lock" ("locked" INT DEFAULT 1, "ctime" TIMESTAMP,"pid" INT NOT NULL,PRIMARY KEY ("locked"));
