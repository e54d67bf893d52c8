BEGIN;

-- Running downgrade 60aa52abaaa2 -> b891233255ce

DROP FUNCTION f();

DROP TABLE two;

UPDATE alembic_version SET version_num='b891233255ce' WHERE alembic_version.version_num = '60aa52abaaa2';

-- Running downgrade b891233255ce -> 

DROP TABLE one;

DELETE FROM alembic_version WHERE alembic_version.version_num = 'b891233255ce';

COMMIT;

