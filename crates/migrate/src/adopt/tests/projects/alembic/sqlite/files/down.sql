-- Running downgrade 00a4480b9f13 -> 558f438bb8d1

DROP TABLE two;

UPDATE alembic_version SET version_num='558f438bb8d1' WHERE alembic_version.version_num = '00a4480b9f13';

-- Running downgrade 558f438bb8d1 -> 

DROP TABLE one;

DELETE FROM alembic_version WHERE alembic_version.version_num = '558f438bb8d1';

