CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
INSERT INTO public._sqlx_migrations VALUES (20261122044221, 'one', '2026-11-22 04:42:22.829173+00', true, '\xbd30714255870b9560bcab5b7161b5a88a5b0c20675b4733e3fbf33ddf3817b7f319701ddd4bbf1799bbad85cd932715', 66063653);
ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
