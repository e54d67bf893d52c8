-- The least that a backup needs of MySQL or MariaDB: mysql < rights-mysql.sql
CREATE USER 'dbm_backup'@'localhost' IDENTIFIED BY 'change-me';
-- Without the last three the server would not even tell that there are triggers, events and routines.
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON `shop`.* TO 'dbm_backup'@'localhost';
-- The bodies of routines that others own, where there are any; one of:
--   GRANT SELECT ON mysql.proc TO 'dbm_backup'@'localhost';              MariaDB before 11.3, MySQL 5.7
--   GRANT SHOW CREATE ROUTINE ON `shop`.* TO 'dbm_backup'@'localhost';   MariaDB from 11.3 on
--   GRANT SHOW_ROUTINE ON *.* TO 'dbm_backup'@'localhost';               MySQL from 8.0.20 on
-- For one moment across several sessions while others write, one of these; without both one session does all. The first
-- is also what keeps tables without transactions (MyISAM, MEMORY) still while they are read:
--   GRANT LOCK TABLES ON `shop`.* TO 'dbm_backup'@'localhost';
--   GRANT RELOAD ON *.* TO 'dbm_backup'@'localhost';
