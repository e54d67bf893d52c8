CREATE TABLE public._yoyo_log (
    id character varying(36) NOT NULL,
    migration_hash character varying(64),
    migration_id character varying(255),
    operation character varying(10),
    username character varying(255),
    hostname character varying(255),
    comment character varying(255),
    created_at_utc timestamp without time zone
);
CREATE TABLE public._yoyo_migration (
    migration_hash character varying(64) NOT NULL,
    migration_id character varying(255),
    applied_at_utc timestamp without time zone
);
CREATE TABLE public._yoyo_version (
    version integer NOT NULL,
    installed_at_utc timestamp without time zone
);
CREATE TABLE public.yoyo_lock (
    locked integer DEFAULT 1 NOT NULL,
    ctime timestamp without time zone,
    pid integer NOT NULL
);
INSERT INTO public._yoyo_log VALUES ('f322f3c2-e62c-11f1-84cb-02fc00000001', '6cd4c65ce4de4f1a60c4d139803af69964fa25002217356e123f27fd1e263816', '20261122_01_vTCjK-one', 'apply', 'root', 'localhost', NULL, '2026-11-22 04:26:55.744124');
INSERT INTO public._yoyo_migration VALUES ('6cd4c65ce4de4f1a60c4d139803af69964fa25002217356e123f27fd1e263816', '20261122_01_vTCjK-one', '2026-11-22 04:26:55.745597');
INSERT INTO public._yoyo_version VALUES (2, '2026-11-22 04:26:55.701098');
ALTER TABLE ONLY public._yoyo_log
    ADD CONSTRAINT _yoyo_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public._yoyo_migration
    ADD CONSTRAINT _yoyo_migration_pkey PRIMARY KEY (migration_hash);
ALTER TABLE ONLY public._yoyo_version
    ADD CONSTRAINT _yoyo_version_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.yoyo_lock
    ADD CONSTRAINT yoyo_lock_pkey PRIMARY KEY (locked);
