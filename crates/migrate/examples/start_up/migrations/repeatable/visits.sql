DROP VIEW IF EXISTS visits;
CREATE VIEW visits AS SELECT page, count(*) AS visits FROM visit GROUP BY page;
