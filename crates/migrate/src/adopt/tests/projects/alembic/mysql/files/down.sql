-- Running downgrade 634e5f7f89ee -> d4569250d821

DROP TABLE two;

UPDATE alembic_version SET version_num='d4569250d821' WHERE alembic_version.version_num = '634e5f7f89ee';

-- Running downgrade d4569250d821 -> 

DROP TABLE one;

DELETE FROM alembic_version WHERE alembic_version.version_num = 'd4569250d821';

