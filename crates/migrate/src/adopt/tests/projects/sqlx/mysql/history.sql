CREATE TABLE `_sqlx_migrations` (
  `version` bigint(20) NOT NULL,
  `description` text NOT NULL,
  `installed_on` timestamp NOT NULL DEFAULT current_timestamp(),
  `success` tinyint(1) NOT NULL,
  `checksum` blob NOT NULL,
  `execution_time` bigint(20) NOT NULL,
  PRIMARY KEY (`version`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
INSERT INTO `_sqlx_migrations` VALUES (20261122044321,'one','2026-11-22 04:43:22',1,0xBD30714255870B9560BCAB5B7161B5A88A5B0C20675B4733E3FBF33DDF3817B7F319701DDD4BBF1799BBAD85CD932715,46407145);
