CREATE TABLE l (x text);
/*M!100100 SET @old = @@sql_mode, sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES' */;
DELIMITER //
CREATE PROCEDURE "p;q"() BEGIN
  # not yet; ' //
  INSERT INTO "l" VALUES ('\'); /*! INSERT INTO "l" VALUES ('a;'); */
  /*M! INSERT INTO "l" VALUES ('m;'); */ /*!99999 nowhere ';' */
END//
CALL "p;q"()//
SET sql_mode = @old//
DELIMITER $$
CREATE /*!50003 DEFINER = CURRENT_USER */ /*!50003 TRIGGER `t;` BEFORE INSERT ON l FOR EACH ROW BEGIN
  SET NEW.x = CONCAT(NEW.x, "\";$"); -- not yet;
END */$$
DELIMITER ;
INSERT INTO l VALUES ('last\';') # no end;
