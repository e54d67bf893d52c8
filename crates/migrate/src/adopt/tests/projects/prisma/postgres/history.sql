CREATE TABLE public._prisma_migrations (
    id character varying(36) NOT NULL,
    checksum character varying(64) NOT NULL,
    finished_at timestamp with time zone,
    migration_name character varying(255) NOT NULL,
    logs text,
    rolled_back_at timestamp with time zone,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_steps_count integer DEFAULT 0 NOT NULL
);
INSERT INTO public._prisma_migrations VALUES ('df2aaec0-3da1-4079-869e-6976fb6bd2e3', '47a1913439baf5ccab2e5577e5a5d950320919800b7c3bcd7e1343a65451a057', '2026-11-22 04:30:08.883+00', '20261122042900_one', NULL, NULL, '2026-11-22 04:30:08.867+00', 1);
ALTER TABLE ONLY public._prisma_migrations
    ADD CONSTRAINT _prisma_migrations_pkey PRIMARY KEY (id);
