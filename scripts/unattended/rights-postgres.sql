-- The least that a backup needs, from PostgreSQL 14 on: psql -d shop -f rights-postgres.sql
CREATE ROLE dbm_backup LOGIN CONNECTION LIMIT 8;
GRANT pg_read_all_data TO dbm_backup;
-- Where PUBLIC may not connect any more:
--   GRANT CONNECT ON DATABASE shop TO dbm_backup;
-- Where tables have row-level security, a backup without this is refused rather than short of rows:
--   ALTER ROLE dbm_backup BYPASSRLS;
-- Large objects are each their owner's: GRANT SELECT ON LARGE OBJECT n TO dbm_backup, or a backup by their owner.
-- Before 14, instead of the second line, for each schema:
--   GRANT USAGE ON SCHEMA public TO dbm_backup;
--   GRANT SELECT ON ALL TABLES IN SCHEMA public TO dbm_backup;
--   GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO dbm_backup;
