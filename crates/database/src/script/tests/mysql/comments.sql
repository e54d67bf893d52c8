-- a comment with ' and ;
# another ' one ;
/* one ; ' */ CREATE TABLE t (a int /* ; */, b varchar(20)); -- after; it
/*!40101 SET NAMES utf8mb4 */;
/*!50003 CREATE PROCEDURE p() SELECT ';' */;
/*M!100100 INSERT INTO t VALUES (1, 'maria;') */;
/*! INSERT INTO t VALUES (2, '*/') */;
/*!99999 this is not run */;
INSERT INTO t VALUES (3 - -1, 'a--b'); INSERT INTO t VALUES (4--1, 'c');
INSERT INTO t VALUES (5, 'x') # to the end; of the line
;
/**/ INSERT INTO t VALUES (6, '/* no comment */');
