CREATE TABLE `_yoyo_migration` (
  `migration_hash` varchar(64) NOT NULL,
  `migration_id` varchar(255) DEFAULT NULL,
  `applied_at_utc` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`migration_hash`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
INSERT INTO `_yoyo_migration` VALUES ('5e99601d1e7a639079fb850b560b53ce11ce8618a8a76c927a812660486a504b','20261122_01_ENJyz-one','2026-11-22 04:27:00');
CREATE TABLE `_yoyo_log` (
  `id` varchar(36) NOT NULL,
  `migration_hash` varchar(64) DEFAULT NULL,
  `migration_id` varchar(255) DEFAULT NULL,
  `operation` varchar(10) DEFAULT NULL,
  `username` varchar(255) DEFAULT NULL,
  `hostname` varchar(255) DEFAULT NULL,
  `comment` varchar(255) DEFAULT NULL,
  `created_at_utc` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
INSERT INTO `_yoyo_log` VALUES ('f5d6adc0-e62c-11f1-b1ca-02fc00000001','5e99601d1e7a639079fb850b560b53ce11ce8618a8a76c927a812660486a504b','20261122_01_ENJyz-one','apply','root','localhost',NULL,'2026-11-22 04:27:00');
CREATE TABLE `_yoyo_version` (
  `version` int(11) NOT NULL,
  `installed_at_utc` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`version`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
INSERT INTO `_yoyo_version` VALUES (2,'2026-11-22 04:27:00');
CREATE TABLE `yoyo_lock` (
  `locked` int(11) NOT NULL DEFAULT 1,
  `ctime` timestamp NULL DEFAULT NULL,
  `pid` int(11) NOT NULL,
  PRIMARY KEY (`locked`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
