-- CreateEnum
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN');

-- CreateTable
CREATE TABLE "two" (
    "id" INTEGER NOT NULL,
    "note" TEXT DEFAULT 'a;b',
    "role" "Role" NOT NULL DEFAULT 'USER',

    CONSTRAINT "two_pkey" PRIMARY KEY ("id")
);

-- AddForeignKey
ALTER TABLE "two" ADD CONSTRAINT "two_id_fkey" FOREIGN KEY ("id") REFERENCES "one"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
